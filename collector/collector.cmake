# What npm's lists and the tracker's sources become at build time: C includes in ${GENERATED}.
find_program(NODE node REQUIRED)
set(MODULES ${CMAKE_SOURCE_DIR}/node_modules)
if(NOT EXISTS ${MODULES}/uglify-js OR NOT EXISTS ${MODULES}/web-vitals)
  message(FATAL_ERROR "npm packages are missing: run 'npm ci' in ${CMAKE_SOURCE_DIR}")
endif()

add_custom_command(OUTPUT ${GENERATED}/bots.inc
  COMMAND ${NODE} ${CMAKE_SOURCE_DIR}/collector/lists/bots.mjs ${GENERATED}/bots.inc
  DEPENDS collector/lists/bots.mjs package-lock.json
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} VERBATIM)
add_custom_command(OUTPUT ${GENERATED}/referrers.inc
  COMMAND ${NODE} ${CMAKE_SOURCE_DIR}/collector/lists/referrers.mjs ${GENERATED}/referrers.inc
  DEPENDS collector/lists/referrers.mjs package-lock.json
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} VERBATIM)
file(GLOB_RECURSE PIXEL_SOURCES CONFIGURE_DEPENDS pixel/src/* pixel/demo/* pixel/*.mjs)
add_custom_command(OUTPUT ${GENERATED}/tracker.inc ${GENERATED}/demo.inc ${GENERATED}/s.js
  COMMAND ${NODE} ${CMAKE_SOURCE_DIR}/pixel/build.mjs ${GENERATED}/s.js ${GENERATED}/tracker.inc ${GENERATED}/demo.inc
  DEPENDS ${PIXEL_SOURCES} package-lock.json
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} VERBATIM)
target_sources(collector_parts PRIVATE ${GENERATED}/bots.inc ${GENERATED}/referrers.inc
  ${GENERATED}/tracker.inc ${GENERATED}/demo.inc)
embed_lua(collector_parts ${CMAKE_SOURCE_DIR}/collector/append.lua)
embed_lua(collector_parts ${CMAKE_SOURCE_DIR}/collector/rebuild_swap.lua)

add_executable(sentier-collector collector/main.c)
target_link_libraries(sentier-collector PRIVATE collector_parts)
add_executable(sentier-import collector/import_main.c)
target_link_libraries(sentier-import PRIVATE collector_parts)
add_executable(sentier-journal collector/journal_main.c)
target_link_libraries(sentier-journal PRIVATE collector_parts)
add_executable(sentier-sitemap collector/sitemap_main.c)
target_link_libraries(sentier-sitemap PRIVATE collector_parts)
add_executable(sentier-rebuild collector/rebuild_main.c)
target_link_libraries(sentier-rebuild PRIVATE collector_parts)
add_executable(sentier-site collector/site_main.c)
target_link_libraries(sentier-site PRIVATE collector_parts)
add_executable(sentier-forget collector/forget_main.c)
target_link_libraries(sentier-forget PRIVATE collector_parts)
install(TARGETS sentier-collector sentier-forget sentier-import sentier-journal sentier-rebuild sentier-site
  sentier-sitemap RUNTIME)
install(PROGRAMS deploy/sentier deploy/cluster-demo TYPE BIN)
