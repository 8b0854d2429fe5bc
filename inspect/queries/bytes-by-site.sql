-- lines of the program by the bytes of what they made and what still lives
select file, line, function, objects, bytes
from sites order by bytes desc, file, line;
