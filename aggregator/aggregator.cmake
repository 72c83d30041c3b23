embed_lua(aggregator_parts ${CMAKE_SOURCE_DIR}/aggregator/commit.lua)

add_executable(sentier-aggregator aggregator/main.c)
target_link_libraries(sentier-aggregator PRIVATE aggregator_parts)
add_executable(sentier-report aggregator/report_main.c)
target_link_libraries(sentier-report PRIVATE aggregator_parts)
install(TARGETS sentier-aggregator sentier-report RUNTIME)
