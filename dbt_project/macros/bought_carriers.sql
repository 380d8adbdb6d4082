{# Carriers that a site buys in kWh, and scopes of several of them: what has a cost and an emission. #}
{% macro bought_carriers() -%}
    ('electricity', 'natural_gas', 'heat', 'steam', 'cooling', 'mixed')
{%- endmacro %}
