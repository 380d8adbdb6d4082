{# Energy in kWh times a factor with fifteen places, rounded half away from zero to fifteen. A factor with six places
   needs no rounding: DuckDB is thirty times faster where it need not divide. #}
{% macro exact_emission(energy_kwh, factor) -%}
    case
        when {{ factor }} = cast({{ factor }} as decimal(12, 6))
            then cast({{ energy_kwh }} * cast({{ factor }} as decimal(12, 6)) as decimal(38, 15))
        else cast({{ energy_kwh }} * {{ factor }} as decimal(38, 15))
    end
{%- endmacro %}
