-- which types hold objects of the type ?1, by which slot, how often
select s.type, r.name, r.strength, count(*) as slots
from objects o join refs r on r.target = o.id join objects s on s.id = r.source
where o.type = ?1 group by s.type, r.name, r.strength order by slots desc;
