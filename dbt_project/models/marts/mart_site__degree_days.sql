-- Degree days of each site and local day by both methods, with station, method and bases
select
    site_id,
    local_date,
    station,
    method,
    heating_base_degc,
    cooling_base_degc,
    coverage,
    mean_degc,
    hdd_mean,
    hdd_hourly,
    cdd_mean,
    cdd_hourly,
    hdd,
    cdd
from {{ ref('int_site__day_degrees') }}
