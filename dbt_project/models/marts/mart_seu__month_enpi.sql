-- Actual against expected energy per SEU and local month
select
    site_id,
    seu_id,
    period_start as month_start,
    actual_kwh,
    expected_kwh,
    delta_kwh,
    savings_kwh,
    coverage,
    estimated_share,
    is_synthetic,
    compared_days,
    period_days,
    baseline_id,
    baseline_version
from {{ ref('int_seu__period_enpi') }}
where grain = 'month'
