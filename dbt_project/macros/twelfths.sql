{# How many twelfths one of so many days is: a mean of one to four days stays exact as a sum of twelfths. #}
{% macro twelfths(days) -%}
    case {{ days }} when 1 then 12 when 2 then 6 when 3 then 4 when 4 then 3 end
{%- endmacro %}
