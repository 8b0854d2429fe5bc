-- who holds the object ?1
select kind, strength, source, name, function, thread, address
from holders where target = ?1;
