-- where objects died, as far as that is recorded
select type, reason, function, file, line, count(*) as deaths
from history where kind = 'free'
group by type, reason, function, file, line order by deaths desc;
