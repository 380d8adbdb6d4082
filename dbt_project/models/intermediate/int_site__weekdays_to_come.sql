-- For each local day: the days from it to the end of its month, by what the same weekdays of the 28 days before came to
with asked as (
    select
        days.site_id,
        days.local_date,
        days.month_start,
        {{ after('month', 'days.month_start') }} as month_end,
        least(days.month_start, days.local_date - 28) as reads_from
    from {{ ref('int_site__running_days') }} as days
    where exists (
        select 1
        from {{ ref('stg_lake__windows') }} as windows
        where
            windows.site_id = days.site_id
            and least(days.month_start, days.local_date - 28) < windows.after_date
            and {{ after('month', 'days.month_start') }} > windows.first_date
    )
),
to_come as (
    select
        asked.site_id,
        asked.local_date,
        extract(isodow from later.local_date) as weekday,
        count(*) as days_to_come
    from asked
    inner join {{ ref('int_site__running_days') }} as later
        on
            asked.site_id = later.site_id
            and asked.month_start = later.month_start
            and asked.local_date <= later.local_date
    group by asked.site_id, asked.local_date, extract(isodow from later.local_date)
),
known as (
    select
        asked.site_id,
        asked.local_date,
        extract(isodow from past.local_date) as weekday,
        count(*) as days,
        count(past.cost) as costed_days,
        count(past.emission_kgco2e) as factored_days,
        sum(past.import_kwh) as import_kwh,
        sum(past.cost) as cost,
        sum(past.emission_kgco2e) as emission_kgco2e,
        max(past.peak_kw) as peak_kw
    from asked
    inner join {{ ref('int_site__running_days') }} as past
        on
            asked.site_id = past.site_id
            and past.local_date >= asked.local_date - 28
            and past.local_date < asked.local_date
    where past.is_complete
    group by asked.site_id, asked.local_date, extract(isodow from past.local_date)
)
select
    asked.site_id,
    asked.local_date,
    asked.month_start,
    asked.month_end,
    asked.reads_from,
    to_come.weekday,
    to_come.days_to_come,
    coalesce(known.days, 0) as known_days,
    coalesce(known.costed_days, 0) as costed_days,
    coalesce(known.factored_days, 0) as factored_days,
    cast(known.import_kwh * to_come.days_to_come * {{ twelfths('known.days') }} as decimal(38, 9)) as twelfths_kwh,
    cast(known.cost * to_come.days_to_come * {{ twelfths('known.costed_days') }} as decimal(38, 9)) as twelfths_cost,
    cast(
        known.emission_kgco2e * to_come.days_to_come * {{ twelfths('known.factored_days') }} as decimal(38, 15)
    ) as twelfths_kgco2e,
    known.peak_kw
from asked
inner join to_come on asked.site_id = to_come.site_id and asked.local_date = to_come.local_date
left join known
    on
        to_come.site_id = known.site_id
        and to_come.local_date = known.local_date
        and to_come.weekday = known.weekday
