# missing.cmake - the test that stands for those which cannot run here: fails, and says what MISSING is.
message(FATAL_ERROR "The tests of the page and of heap snapshots in a browser cannot run: missing are ${MISSING}. "
  "./dev test installs them; -DREFHEAP_PAGE=OFF builds without the page, and without these tests.")
