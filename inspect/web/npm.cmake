# fetch_packages(FOLDER PLACE RESULT): has npm fetch what the lock file in FOLDER names, into PLACE, when that is new. RESULT
# is the file that is there since then, or empty: there is no npm, or nothing could be fetched, of which the user is told.
#
# Invariant: no script of a package is run, and each file is the one that the lock file has the checksum of.
find_program(NODE NAMES node nodejs)
find_program(NPM npm)

function(fetch_packages folder place result)
  set(${result} "" PARENT_SCOPE)
  if(NOT NODE OR NOT NPM)
    return()
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${folder}/package-lock.json)
  file(SHA256 ${folder}/package-lock.json lock)
  set(fetched ${place}/fetched.${lock})
  if(NOT EXISTS ${fetched})
    message(STATUS "Fetching the packages of ${folder}")
    file(COPY ${folder}/package.json ${folder}/package-lock.json ${folder}/.npmrc DESTINATION ${place})
    execute_process(COMMAND ${NPM} ci --ignore-scripts --no-audit --no-fund --prefer-offline WORKING_DIRECTORY ${place}
      RESULT_VARIABLE status OUTPUT_QUIET ERROR_VARIABLE errors)
    if(NOT status EQUAL 0)
      message(WARNING "npm ci failed in ${place}:\n${errors}")
      return()
    endif()
    file(TOUCH ${fetched})
  endif()
  set(${result} ${fetched} PARENT_SCOPE)
endfunction()
