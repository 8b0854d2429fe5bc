-- texts and bytes that there are several of, as far as they are short enough to be shown in full
select value, type, size, count(*) as objects, sum(size) - size as wasted
from objects
where substr(value, -1) in ('"', '''') and ltrim(substr(value, 1, 2), 'b') like substr(value, -1) || '%'
group by value, type, size having count(*) > 1 order by wasted desc, value;
