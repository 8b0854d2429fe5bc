-- the largest cycles, garbage first, with the types of their members
select c.cycle, c.verdict, c.objects, group_concat(distinct m.type) as types
from (select * from cycles order by verdict, objects desc limit 20) c
  join cycle_members m on m.cycle = c.cycle
group by c.cycle order by c.verdict, c.objects desc;
