-- View of boards over the marks of the warehouse: whose figures it holds
create view boards.board_built as
select
    sites.site_id, stages.stage,
    exists(select 1 from lake.built as built where built.part = stages.stage || '|' || sites.site_id) as is_built
from boards.board_site as sites
cross join (values ('kpi'), ('enpi')) as stages (stage)
where stages.stage = 'kpi' or exists(select 1 from boards.board_use as uses where uses.site_id = sites.site_id);
