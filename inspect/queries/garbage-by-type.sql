-- what only garbage holds, by type
select type, count(*) as objects, sum(size) as bytes
from objects where garbage group by type order by bytes desc;
