-- Power factor from energies, and energy per product, where both sides are complete
{% set gap = "when covered_minutes < 0.99 * expected_minutes or stream_minutes < 0.99 * stream_expected then 'gap'" %}
{% set unread = "when covered_minutes = 0 or stream_minutes = 0 then 'no_readings' " %}
{% set active, reactive = nano_double('energy_kwh'), nano_double('amount') %}
{% set kpis = [
    {
        'kpi': 'power_factor', 'unit': "'1'", 'rows': "wanted = 'kvarh'",
        'value': active ~ ' / sqrt(' ~ active ~ ' * ' ~ active ~ ' + ' ~ reactive ~ ' * ' ~ reactive ~ ')',
        'blocks': "case when role is null then 'no_reactive_energy' " ~ unread ~ gap
            ~ " when energy_kwh = 0 and amount = 0 then 'no_load' end",
    },
    {
        'kpi': 'kwh_per_product', 'unit': "'kwh_per_unit'", 'value': active ~ ' / ' ~ reactive,
        'rows': "wanted = 'product'",
        'blocks': "case when role is null then 'no_product' " ~ unread ~ gap ~ " when amount <= 0 then 'no_products_made' end",
    },
] %}
with wanted_roles as (
    select 'kvarh' as wanted
    union all
    select 'product' as wanted
),
scopes as (
    select
        kpi.site_id,
        kpi.scope || case when streams.role like 'product/%' then substr(streams.role, 8) else '' end as scope,
        wanted_roles.wanted,
        kpi.kind,
        kpi.carrier,
        kpi.grain,
        kpi.period_start,
        kpi.period_end,
        kpi.energy_kwh,
        kpi.covered_minutes,
        kpi.expected_minutes,
        kpi.coverage,
        kpi.estimated_share,
        kpi.warning,
        kpi.is_synthetic or coalesce(streams.is_synthetic, false) as is_synthetic,
        streams.role,
        streams.amount,
        streams.covered_minutes as stream_minutes,
        streams.expected_minutes as stream_expected
    from {{ ref('int_scope__period_kpi') }} as kpi
    cross join wanted_roles
    left join {{ ref('int_scope__period_streams') }} as streams
        on
            kpi.site_id = streams.site_id
            and kpi.scope = streams.scope
            and kpi.grain = streams.grain
            and kpi.period_start = streams.period_start
            and split_part(streams.role, '/', 1) = wanted_roles.wanted
    -- What no stream tells is said of the site, once a month and year.
    where kpi.carrier = 'electricity' and (streams.role is not null or kpi.kind = 'site' and kpi.grain <> 'day')
)
{{ kpi_rows('scopes', kpis) }}
