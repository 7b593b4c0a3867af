#pragma once

// gRPC answers a request that it cannot parse by itself, before any of our code runs: the caller
// learns nothing and the audit trail holds nothing. The services therefore take bytes, and parse
// them on their own threads once the caller is known.
namespace televault::service {

namespace internal {

template <class Base, template <class> class... Methods>
struct Stacked {
  using Type = Base;
};
template <class Base, template <class> class First, template <class> class... Rest>
struct Stacked<Base, First, Rest...> {
  using Type = First<typename Stacked<Base, Rest...>::Type>;
};

}  // namespace internal

// The generated `Base` (X::Service) with the named methods taking and giving grpc::ByteBuffer; name
// the X::WithRawCallbackMethod_… of every method: one that is left out answers UNIMPLEMENTED.
template <class Base, template <class> class... Methods>
using BytesService = typename internal::Stacked<Base, Methods...>::Type;

}  // namespace televault::service
