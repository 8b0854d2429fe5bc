-- the objects that most fields of other objects hold
select id, type, referrers, refcount, value
from objects order by referrers desc, id limit 50;
