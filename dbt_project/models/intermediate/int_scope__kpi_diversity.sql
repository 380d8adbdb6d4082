-- Diversity factor: the single maxima of a scope's meters by their coincident maximum
with members as (
    select site_id, scope, meter_id, valid_from, valid_to
    from {{ ref('int_scope__meters') }}
    where not is_allocated and kind <> 'meter'
),
maxima as (
    select
        members.site_id,
        members.scope,
        own.grain,
        own.period_start,
        cast(sum(own.peak_kw) as decimal(38, 9)) as single_peaks_kw,
        count(own.peak_kw) as meters_with_peak,
        count(distinct members.meter_id) as meters
    from members
    inner join {{ ref('int_scope__period_kpi') }} as own
        on
            members.site_id = own.site_id
            and own.scope = 'meter:' || members.meter_id
            and own.period_start < members.valid_to
            and own.period_end > members.valid_from
    where own.grain <> 'day'
    group by members.site_id, members.scope, own.grain, own.period_start
    having count(distinct members.meter_id) > 1
),
scopes as (
    select kpi.*, maxima.single_peaks_kw, maxima.meters_with_peak, maxima.meters
    from {{ ref('int_scope__period_kpi') }} as kpi
    inner join maxima
        on
            kpi.site_id = maxima.site_id
            and kpi.scope = maxima.scope
            and kpi.grain = maxima.grain
            and kpi.period_start = maxima.period_start
    where
        not exists (
            select 1
            from {{ ref('int_scope__meters') }} as taken
            where taken.site_id = kpi.site_id and taken.scope = kpi.scope and taken.sign < 0
        )
),
kpis as (
    select
        {{ kpi_of('diversity_factor', '1') }},
        {{ nano_double('single_peaks_kw') }} / nullif({{ nano_double('peak_kw') }}, 0) as ratio,
        coverage,
        case
            when covered_minutes = 0 then 'no_readings'
            when meters <> meter_count then 'partial_scope'
            when peak_kw is null or meters_with_peak < meters then 'gap'
            when peak_kw <= 0 then 'no_load'
        end as unknown_because,
        warnings
    from scopes
)
{{ known_kpis('kpis', amount='null', caution='null') }}
