-- dictionaries with few entries: those that hold at most ?1 references
select d.id, d.size, count(r.source) as holds, d.value
from objects d left join refs r on r.source = d.id
where d.type = 'dict'
group by d.id having holds <= cast(?1 as integer) order by d.size desc, d.id;
