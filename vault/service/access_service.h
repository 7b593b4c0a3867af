#pragma once

#include "televault/v1/access_service.grpc.pb.h"
#include "vault/service/adapter.h"
#include "vault/service/bytes_service.h"
#include "vault/service/data_plane.h"
#include "vault/service/registrar.h"

namespace televault::service {

// Persons, tokens, and access to rows on request.
class AccessServiceImpl final
    : public BytesService<v1::AccessService::Service,
                          v1::AccessService::WithRawCallbackMethod_EnrolPerson,
                          v1::AccessService::WithRawCallbackMethod_ConfirmPerson,
                          v1::AccessService::WithRawCallbackMethod_ListPersons,
                          v1::AccessService::WithRawCallbackMethod_DisablePerson,
                          v1::AccessService::WithRawCallbackMethod_CreateToken,
                          v1::AccessService::WithRawCallbackMethod_ConfirmToken,
                          v1::AccessService::WithRawCallbackMethod_ListTokens,
                          v1::AccessService::WithRawCallbackMethod_RevokeToken,
                          v1::AccessService::WithRawCallbackMethod_RenewToken,
                          v1::AccessService::WithRawCallbackMethod_ListRoles,
                          v1::AccessService::WithRawCallbackMethod_RequestAccess,
                          v1::AccessService::WithRawCallbackMethod_ListAccessRequests,
                          v1::AccessService::WithRawCallbackMethod_GetAccessRequest,
                          v1::AccessService::WithRawCallbackMethod_VoteAccess,
                          v1::AccessService::WithRawCallbackMethod_RevokeAccess> {
 public:
  // `urgent` serves what takes access away: it must not wait behind those it is about.
  AccessServiceImpl(Serving serving, Serving urgent, DataPlaneSource& data, Registrar& registrar)
      : serving_(serving), urgent_(urgent), data_(data), registrar_(registrar) {}

  grpc::ServerUnaryReactor* EnrolPerson(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ConfirmPerson(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListPersons(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* DisablePerson(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* CreateToken(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ConfirmToken(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListTokens(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* RevokeToken(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* RenewToken(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListRoles(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* RequestAccess(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* ListAccessRequests(grpc::CallbackServerContext* context,
                                               const grpc::ByteBuffer* request,
                                               grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetAccessRequest(grpc::CallbackServerContext* context,
                                             const grpc::ByteBuffer* request,
                                             grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* VoteAccess(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* RevokeAccess(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override;

 private:
  absl::Status Request(Call& call, const v1::RequestAccessRequest& request,
                       v1::RequestAccessResponse& response);

  Serving serving_;
  Serving urgent_;
  DataPlaneSource& data_;
  Registrar& registrar_;
};

}  // namespace televault::service
