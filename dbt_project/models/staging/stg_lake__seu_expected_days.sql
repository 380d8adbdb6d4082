-- Expected energy of each SEU and local day by its baseline, as an exact decimal
select
    site_id,
    seu_id,
    local_date,
    baseline_id,
    baseline_version,
    {{ exact_amount('expected_kwh') }} as expected_kwh
from {{ source('lake', 'seu_expected_days') }}
