-- types by what would go if all their objects went
select type, heap, count, bytes, retained, sample
from types order by retained desc, type;
