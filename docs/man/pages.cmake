# Makes all pages in the folder PAGES anew: man1, man3, man7.
file(REMOVE_RECURSE ${PAGES})
file(MAKE_DIRECTORY ${PAGES}/man1 ${PAGES}/man3 ${PAGES}/man7)

execute_process(COMMAND ${REFHEAP} --man list OUTPUT_VARIABLE names COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" names "${names}")
foreach(name ${names})
  string(REGEX REPLACE "^.*\\." "man" section ${name})
  execute_process(COMMAND ${REFHEAP} --man ${name} COMMAND ${SCDOC} OUTPUT_FILE ${PAGES}/${section}/${name}
    COMMAND_ERROR_IS_FATAL ANY)
endforeach()

foreach(pair ${HEADERS})
  string(REGEX MATCH "^[^=]+" name ${pair})
  string(REGEX REPLACE "^[^=]+=" "" header ${pair})
  execute_process(COMMAND ${PYTHON} ${CMAKE_CURRENT_LIST_DIR}/header_page.py ${header} ${name} ${PAGES}/man3
    COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${SCDOC} INPUT_FILE ${PAGES}/man3/${name}.3.scd OUTPUT_FILE ${PAGES}/man3/${name}.3
    COMMAND_ERROR_IS_FATAL ANY)
  file(REMOVE ${PAGES}/man3/${name}.3.scd)
endforeach()
