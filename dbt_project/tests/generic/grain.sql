{# One test a model: its key, where it has one to be tested, is unique and known, what must be there is there, and its rules
   hold. Of a model by site and more the rows of the sites that a run computes are asked, and of the portfolio: all others were
   when they were made. #}
{% test grain(model, key=[], never_null=[], holds=[]) %}
{% set asked = "(site_id in (select windows.site_id from lake.windows) or site_id = '_portfolio' or site_id is null)" if 'site_id' in key and key | length > 1 else 'true' %}
{% if key %}
select 'key stands more than once' as broken, count(*) as rows_found
from {{ model }}
where {{ asked }}
group by {{ key | join(', ') }}
having count(*) > 1
union all
{% endif %}
select 'null or out of bounds' as broken, count(*) as rows_found
from {{ model }}
where
    {{ asked }} and (
    {% for column in key + never_null -%}
    {{ column }} is null or
    {% endfor -%}
    {% for rule in holds -%}
    not ({{ rule }}) or
    {% endfor -%}
    1 = 0
    )
having count(*) > 0
{% endtest %}
