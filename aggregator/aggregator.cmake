embed_lua(aggregator_parts ${CMAKE_SOURCE_DIR}/aggregator/commit.lua)

add_executable(sentier-aggregator aggregator/main.c)
target_link_libraries(sentier-aggregator PRIVATE aggregator_parts)
# Why: README.md, dependencies. Sanitizers bring an allocator of their own.
find_library(JEMALLOC NAMES jemalloc libjemalloc.so.2)
if(JEMALLOC AND NOT SENTIER_SANITIZE)
  target_link_libraries(sentier-aggregator PRIVATE -Wl,--no-as-needed ${JEMALLOC} -Wl,--as-needed)
elseif(NOT JEMALLOC)
  message(STATUS "no libjemalloc: sentier-aggregator uses the system's malloc, and is slower with many profiles")
endif()
add_executable(sentier-report aggregator/report_main.c)
target_link_libraries(sentier-report PRIVATE aggregator_parts)
install(TARGETS sentier-aggregator sentier-report RUNTIME)
