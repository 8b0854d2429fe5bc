-- the objects that the object ?1 leads to in three steps at most
with recursive reached(id, steps) as (
  select id, 0 from objects where id = ?1
  union
  select r.target, steps + 1 from reached join refs r on r.source = reached.id
  where steps < 3 and r.target is not null and r.strength = 'strong')
select id, min(steps) as steps from reached group by id order by steps, id;
