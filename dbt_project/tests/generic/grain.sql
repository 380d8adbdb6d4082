{# One test a model: its key, where it has one to be tested, is unique and known, what must be there is there, and its rules hold. #}
{% test grain(model, key=[], never_null=[], holds=[]) %}
{% if key %}
select 'key stands more than once' as broken, count(*) as rows_found
from {{ model }}
group by {{ key | join(', ') }}
having count(*) > 1
union all
{% endif %}
select 'null or out of bounds' as broken, count(*) as rows_found
from {{ model }}
where
    {% for column in key + never_null -%}
    {{ column }} is null or
    {% endfor -%}
    {% for rule in holds -%}
    not ({{ rule }}) or
    {% endfor -%}
    1 = 0
having count(*) > 0
{% endtest %}
