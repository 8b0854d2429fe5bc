-- the objects that retain most
select id, type, size, retained, value
from objects order by retained desc, id limit 50;
