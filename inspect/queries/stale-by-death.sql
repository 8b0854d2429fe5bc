-- stale pointers by where the object died
select death_function, death_file, death_line, kind, name, count(*) as pointers
from stale where certainty = 'stale'
group by death_function, death_file, death_line, kind, name order by pointers desc;
