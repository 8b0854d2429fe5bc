-- which types hold objects of the type ?1, and by how many slots
select s.type, r.strength, count(*) as slots
from objects o join refs r on r.target = o.id join objects s on s.id = r.source
where o.type = ?1 group by s.type, r.strength order by slots desc;
