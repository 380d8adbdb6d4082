-- What a site's local month comes to, as far as is known when each of its days begins
with ahead as (
    select
        site_id,
        local_date,
        month_start,
        month_end,
        reads_from,
        min(known_days) as least_days,
        min(costed_days) as least_costed_days,
        min(factored_days) as least_factored_days,
        sum(twelfths_kwh) as twelfths_kwh,
        sum(twelfths_cost) as twelfths_cost,
        sum(twelfths_kgco2e) as twelfths_kgco2e,
        max(peak_kw) as peak_kw
    from {{ ref('int_site__weekdays_to_come') }}
    group by site_id, local_date, month_start, month_end, reads_from
),
to_date as (
    select
        ahead.site_id,
        ahead.local_date,
        count(*) as days,
        sum(case when days.is_complete then 1 else 0 end) as complete_days,
        count(days.cost) as costed_days,
        count(days.emission_kgco2e) as factored_days,
        sum(days.import_kwh) as import_kwh,
        sum(days.cost) as cost,
        sum(days.emission_kgco2e) as emission_kgco2e,
        max(days.peak_kw) as peak_kw
    from ahead
    inner join {{ ref('int_site__running_days') }} as days
        on
            ahead.site_id = days.site_id
            and ahead.month_start = days.month_start
            and ahead.local_date > days.local_date
    group by ahead.site_id, ahead.local_date
),
figures as (
    select
        ahead.*,
        12 * coalesce(to_date.import_kwh, 0) + ahead.twelfths_kwh as all_kwh,
        case
            when coalesce(to_date.costed_days, 0) = coalesce(to_date.days, 0) and ahead.least_costed_days >= 2
                then 12 * coalesce(to_date.cost, 0) + ahead.twelfths_cost
        end as all_cost,
        case
            when coalesce(to_date.factored_days, 0) = coalesce(to_date.days, 0) and ahead.least_factored_days >= 2
                then 12 * coalesce(to_date.emission_kgco2e, 0) + ahead.twelfths_kgco2e
        end as all_kgco2e,
        greatest(to_date.peak_kw, ahead.peak_kw) as all_peak_kw,
        coalesce(to_date.complete_days, 0) = coalesce(to_date.days, 0) as has_no_gap,
        ahead.least_days >= 2 as is_known
    from ahead
    left join to_date on ahead.site_id = to_date.site_id and ahead.local_date = to_date.local_date
)
select
    site_id,
    local_date,
    month_start,
    month_end,
    reads_from,
    case when is_known then {{ nano_double('all_kwh') }} / 12 / 1000000000 end as projected_import_kwh,
    case when is_known then {{ nano_double('all_cost') }} / 12 / 1000000000 end as projected_cost,
    case when is_known then {{ nano_double('all_kgco2e') }} / 12 / 1000000000 end as projected_emission_kgco2e,
    case when is_known then all_peak_kw end as projected_peak_kw,
    'month_to_date_plus_weekday_means_of_28_days' as method,
    case
        when not is_known then 'too_little_history'
        when all_cost is null then 'cost_unknown'
        when all_kgco2e is null then 'emission_unknown'
        when not has_no_gap then 'gap_in_month_to_date'
    end as finding
from figures
