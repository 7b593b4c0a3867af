# One small target per folder.

# Most of the time of a build from nothing goes into reading the same headers: here they are read once.
# Preset dev does without in the product, and so does clang-tidy, which notice what a file forgets to
# include.
option(TELEVAULT_PRECOMPILE "Read common headers once for all of the product" ON)
set(televault_common_headers
    <algorithm> <array> <atomic> <condition_variable> <cstdint> <functional> <map> <memory> <mutex>
    <optional> <set> <span> <string> <string_view> <thread> <utility> <vector>
    <absl/status/status.h> <absl/status/statusor.h> <absl/strings/str_cat.h>
    <google/protobuf/map_field_inl.h> <google/protobuf/timestamp.pb.h>)
# The code of tests is not optimised: that takes longer than running it. And it is a program's.
set(televault_test_flags -O0 -U_FORTIFY_SOURCE -fPIE)
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/headers.cc CONTENT "")
if(TELEVAULT_PRECOMPILE)
  add_library(televault_headers OBJECT ${CMAKE_BINARY_DIR}/headers.cc)
  target_link_libraries(televault_headers PRIVATE televault_options)
  target_precompile_headers(televault_headers PRIVATE ${televault_common_headers})
endif()
# Headers for tests, and more of them for tests of what is above gRPC.
function(televault_add_test_headers name)
  add_library(${name} OBJECT ${CMAKE_BINARY_DIR}/headers.cc)
  target_link_libraries(${name} PRIVATE televault_options GTest::gtest GTest::gmock)
  target_compile_options(${name} PRIVATE ${televault_test_flags})
  target_precompile_headers(${name} PRIVATE ${televault_common_headers} <gmock/gmock.h>
                            <gtest/gtest.h> ${ARGN})
endfunction()
if(TELEVAULT_BUILD_TESTS)
  televault_add_test_headers(televault_test_headers)
  televault_add_test_headers(televault_grpc_test_headers
    <fstream> <grpcpp/grpcpp.h> <televault/record/v1/audit.pb.h> <televault/v1/access_service.pb.h>
    <televault/v1/audit_service.pb.h> <televault/v1/catalog_service.pb.h>
    <televault/v1/incident_service.pb.h> <televault/v1/ingest_service.pb.h>
    <televault/v1/operator_service.pb.h> <televault/v1/query_service.pb.h>
    <televault/v1/retention_service.pb.h>)
  target_link_libraries(televault_grpc_test_headers PRIVATE televault_grpc)
endif()

# televault_test_options(NAME [HEADERS]): what the code of tests is compiled with.
function(televault_test_options name)
  target_link_libraries(${name} PRIVATE GTest::gtest GTest::gmock)
  target_compile_options(${name} PRIVATE ${televault_test_flags})
  if(NOT ARGN)
    set(ARGN televault_test_headers)
  endif()
  target_precompile_headers(${name} REUSE_FROM ${ARGN})
endfunction()

# televault_add_library(NAME SOURCES... [DEPS libs...] [PRECOMPILE headers...] [PRECOMPILED_AS lib])
# PRECOMPILE: what is read once for this library beside the common headers; PRECOMPILED_AS: the same
# as for another one.
function(televault_add_library name)
  cmake_parse_arguments(ARG "" "PRECOMPILED_AS" "DEPS;PRECOMPILE" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE televault_options PUBLIC ${ARG_DEPS})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/proto)
  if(NOT ARG_PRECOMPILED_AS)
    set(ARG_PRECOMPILED_AS televault_headers)
  endif()
  if(NOT TELEVAULT_PRECOMPILE)
    return()
  elseif(ARG_PRECOMPILE)
    target_precompile_headers(${name} PRIVATE ${televault_common_headers} ${ARG_PRECOMPILE})
  else()
    target_precompile_headers(${name} REUSE_FROM ${ARG_PRECOMPILED_AS})
  endif()
endfunction()

# televault_add_binary(NAME SOURCES... [DEPS libs...])
function(televault_add_binary name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON
                        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  target_link_libraries(${name} PRIVATE televault_options ${ARG_DEPS})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/proto)
endfunction()

# televault_add_test(NAME SOURCES... [DEPS libs...] [LABELS labels...] [TIMEOUT seconds])
# One GoogleTest binary, one ctest entry, run from the source directory so that golden files are found.
function(televault_add_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "DEPS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE televault_options ${ARG_DEPS} televault_test_support
                        GTest::gtest GTest::gmock GTest::gtest_main)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/proto)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  set(headers televault_test_headers)
  if(ARG_DEPS MATCHES "daemon|televault_(service|cli|client)")
    set(headers televault_grpc_test_headers)
  endif()
  televault_test_options(${name} ${headers})
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  if(TELEVAULT_SANITIZE)
    math(EXPR ARG_TIMEOUT "4 * ${ARG_TIMEOUT}")
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
endfunction()
