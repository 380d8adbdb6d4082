-- Ratios of each scope and period; null wherever what they divide is not there
select
    energy.site_id,
    energy.scope,
    split_part(energy.scope, ':', 1) as kind,
    energy.carrier,
    energy.grain,
    energy.period_start,
    energy.period_end,
    energy.hours,
    energy.energy_kwh,
    energy.covered_minutes,
    energy.expected_minutes,
    energy.covered_minutes / cast(energy.expected_minutes as double precision) as coverage,
    case
        when energy.covered_minutes > 0
            then energy.estimated_minutes / cast(energy.covered_minutes as double precision)
    end as estimated_share,
    energy.is_synthetic,
    energy.peak_kw,
    energy.peak_at_utc,
    case
        when energy.peak_kw > 0
            then
                {{ nano_double('energy.complete_energy_kwh') }}
                / ({{ nano_double('energy.peak_kw') }} * (energy.complete_minutes / cast(60 as double precision)))
    end as load_factor,
    energy.cost,
    energy.emission_kgco2e,
    case
        when
            energy.grain not in ('day', 'month') and energy.covered_days >= 365
            and energy.covered_minutes >= 0.99 * energy.expected_minutes
            and facts.area_m2_days = energy.period_end - energy.period_start
            then {{ nano_double('energy.energy_kwh') }} * facts.area_m2_days / {{ nano_double('facts.area_m2_sum') }}
    end as eui_kwh_per_m2,
    energy.last_recorded_at_utc,
    energy.unpriced_minutes,
    energy.unfactored_minutes,
    energy.max_source_minutes,
    sites.currency,
    energy.covered_days,
    energy.scope_days,
    energy.is_allocated,
    energy.meter_count,
    -- What a KPI divides by is known on every day of the period, or not at all.
    {% for name in ['area_m2', 'occupants', 'connected_load_kw'] %}
    cast(
        case when facts.{{ name }}_days = energy.period_end - energy.period_start then facts.{{ name }}_sum end as decimal(38, 6)
    ) as {{ name }}_sum,
    {% endfor %}
    energy.period_end - energy.period_start as period_days,
    nullif(
        concat_ws(
            ' ',
            case when energy.covered_minutes < energy.expected_minutes then 'gap' end,
            case when energy.scope_days < energy.period_end - energy.period_start then 'partial_scope' end,
            case when energy.is_remainder and energy.energy_kwh < 0 then 'negative_remainder' end
        ),
        ''
    ) as warnings
from {{ ref('int_scope__period_energy') }} as energy
inner join {{ ref('stg_lake__sites') }} as sites on energy.site_id = sites.site_id
left join {{ ref('int_scope__period_facts') }} as facts
    on
        energy.site_id = facts.site_id
        and energy.scope = facts.scope
        and energy.grain = facts.grain
        and energy.period_start = facts.period_start
