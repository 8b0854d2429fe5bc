-- what is leaked, by cause and the line that made it
select cause, site_file, site_line, site_function, count(*) as groups, sum(count) as objects, sum(bytes) as bytes
from leaks group by cause, site_file, site_line, site_function order by bytes desc;
