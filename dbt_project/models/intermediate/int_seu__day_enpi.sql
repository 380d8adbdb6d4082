-- Actual and expected energy per SEU and local day of the calendar, and whether the two may be compared
select
    days.site_id,
    substr(days.scope, 5) as seu_id,
    days.local_date,
    days.is_in_span,
    days.energy_kwh as actual_kwh,
    cast(expected.expected_kwh as decimal(38, 9)) as expected_kwh,
    -- A lost reading must not read as a saving: a day with a hole is not compared.
    expected.expected_kwh is not null and days.covered_minutes >= days.expected_minutes as is_compared,
    days.covered_minutes,
    days.expected_minutes,
    days.estimated_minutes,
    days.is_synthetic,
    expected.baseline_id,
    expected.baseline_version
from {{ ref('int_scope__days') }} as days
left join {{ ref('stg_lake__seu_expected_days') }} as expected
    on
        days.site_id = expected.site_id
        and days.scope = 'seu:' || expected.seu_id
        and days.local_date = expected.local_date
where days.scope like 'seu:%'
