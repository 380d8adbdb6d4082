-- Actual against expected energy per SEU and local day, with both signs of the difference
select
    site_id,
    seu_id,
    local_date,
    actual_kwh,
    expected_kwh,
    cast(case when is_compared then actual_kwh - expected_kwh end as decimal(38, 9)) as delta_kwh,
    cast(case when is_compared then expected_kwh - actual_kwh end as decimal(38, 9)) as savings_kwh,
    covered_minutes / cast(expected_minutes as double precision) as coverage,
    case
        when covered_minutes > 0 then estimated_minutes / cast(covered_minutes as double precision)
    end as estimated_share,
    is_synthetic,
    is_compared,
    baseline_id,
    baseline_version
from {{ ref('int_seu__day_enpi') }}
where is_in_span
