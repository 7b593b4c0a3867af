# Compiler, linker and hardening settings shared by every target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

set(TELEVAULT_SANITIZE "" CACHE STRING "Sanitizers, comma separated, e.g. address,undefined")

# Settings of our own code only: upstream protobuf output is compiled without the warnings.
add_library(televault_options INTERFACE)
target_include_directories(televault_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(televault_options INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  -Wno-missing-field-initializers -Werror)

# Some libraries ask their users for -pthread; precompiled headers are shared by users and others.
add_compile_options(-pthread)
add_compile_options(-fstack-protector-strong -fstack-clash-protection -fcf-protection
                    -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
add_compile_definitions(_GLIBCXX_ASSERTIONS)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
include(CheckPIESupported)
check_pie_supported()

if(TELEVAULT_SANITIZE)
  add_compile_options(-fsanitize=${TELEVAULT_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TELEVAULT_SANITIZE})
  if(TELEVAULT_SANITIZE MATCHES "thread")
    # With this macro protobuf's headers add a member to every map field, which the distribution's
    # library does not have. libstdc++ is told by its own name.
    add_compile_options(-U__SANITIZE_THREAD__ -D_GLIBCXX_TSAN=1)
  endif()
  if(TELEVAULT_SANITIZE MATCHES "undefined")
    # The distribution's RocksDB carries no type information for vptr to ask.
    add_compile_options(-fno-sanitize=vptr)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # These two alone double the time g++ takes over a file. A null pointer crashes without them;
      # preset fuzz, under clang, where they cost little, has both.
      add_compile_options(-fno-sanitize=null,alignment)
    endif()
  endif()
endif()

find_program(TELEVAULT_MOLD mold)
if(TELEVAULT_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

find_program(TELEVAULT_CCACHE ccache)
if(TELEVAULT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The sloppiness makes precompiled headers cacheable; base_dir shares the cache between checkouts.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${TELEVAULT_CCACHE})
endif()
