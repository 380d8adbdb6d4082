-- Ratios of each scope and period; null wherever what they divide is not there
select
    energy.site_id,
    energy.scope,
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
        when energy.scope = 'site:' || energy.site_id and energy.grain = 'year' and energy.covered_days >= 365
            then {{ nano_double('energy.energy_kwh') }} / 1000000000 / sites.floor_area_m2
    end as eui_kwh_per_m2,
    energy.last_recorded_at_utc,
    energy.unpriced_minutes,
    energy.unfactored_minutes,
    energy.max_source_minutes,
    sites.currency
from {{ ref('int_scope__period_energy') }} as energy
inner join {{ ref('stg_lake__sites') }} as sites on energy.site_id = sites.site_id
