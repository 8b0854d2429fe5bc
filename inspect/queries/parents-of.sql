-- the objects that hold an object of the type ?1, and by which slot
select r.source, r.name, o.id as target
from objects o join refs r on r.target = o.id
where o.type = ?1 order by o.id, r.source;
