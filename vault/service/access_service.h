#pragma once

#include "televault/v1/access_service.grpc.pb.h"
#include "vault/service/adapter.h"
#include "vault/service/data_plane.h"
#include "vault/service/registrar.h"

namespace televault::service {

// Persons, tokens, and access to rows on request.
class AccessServiceImpl final : public v1::AccessService::CallbackService {
 public:
  // `urgent` serves what takes access away: it must not wait behind those it is about.
  AccessServiceImpl(Serving serving, Serving urgent, DataPlaneSource& data, Registrar& registrar)
      : serving_(serving), urgent_(urgent), data_(data), registrar_(registrar) {}

  grpc::ServerUnaryReactor* EnrolPerson(grpc::CallbackServerContext* context,
                                        const v1::EnrolPersonRequest* request,
                                        v1::EnrolPersonResponse* response) override;
  grpc::ServerUnaryReactor* ConfirmPerson(grpc::CallbackServerContext* context,
                                          const v1::ConfirmPersonRequest* request,
                                          v1::ConfirmPersonResponse* response) override;
  grpc::ServerUnaryReactor* ListPersons(grpc::CallbackServerContext* context,
                                        const v1::ListPersonsRequest* request,
                                        v1::ListPersonsResponse* response) override;
  grpc::ServerUnaryReactor* DisablePerson(grpc::CallbackServerContext* context,
                                          const v1::DisablePersonRequest* request,
                                          v1::DisablePersonResponse* response) override;
  grpc::ServerUnaryReactor* CreateToken(grpc::CallbackServerContext* context,
                                        const v1::CreateTokenRequest* request,
                                        v1::CreateTokenResponse* response) override;
  grpc::ServerUnaryReactor* ConfirmToken(grpc::CallbackServerContext* context,
                                         const v1::ConfirmTokenRequest* request,
                                         v1::ConfirmTokenResponse* response) override;
  grpc::ServerUnaryReactor* ListTokens(grpc::CallbackServerContext* context,
                                       const v1::ListTokensRequest* request,
                                       v1::ListTokensResponse* response) override;
  grpc::ServerUnaryReactor* RevokeToken(grpc::CallbackServerContext* context,
                                        const v1::RevokeTokenRequest* request,
                                        v1::RevokeTokenResponse* response) override;
  grpc::ServerUnaryReactor* RenewToken(grpc::CallbackServerContext* context,
                                       const v1::RenewTokenRequest* request,
                                       v1::RenewTokenResponse* response) override;
  grpc::ServerUnaryReactor* ListRoles(grpc::CallbackServerContext* context,
                                      const v1::ListRolesRequest* request,
                                      v1::ListRolesResponse* response) override;
  grpc::ServerUnaryReactor* RequestAccess(grpc::CallbackServerContext* context,
                                          const v1::RequestAccessRequest* request,
                                          v1::RequestAccessResponse* response) override;
  grpc::ServerUnaryReactor* ListAccessRequests(grpc::CallbackServerContext* context,
                                               const v1::ListAccessRequestsRequest* request,
                                               v1::ListAccessRequestsResponse* response) override;
  grpc::ServerUnaryReactor* GetAccessRequest(grpc::CallbackServerContext* context,
                                             const v1::GetAccessRequestRequest* request,
                                             v1::GetAccessRequestResponse* response) override;
  grpc::ServerUnaryReactor* VoteAccess(grpc::CallbackServerContext* context,
                                       const v1::VoteAccessRequest* request,
                                       v1::VoteAccessResponse* response) override;
  grpc::ServerUnaryReactor* RevokeAccess(grpc::CallbackServerContext* context,
                                         const v1::RevokeAccessRequest* request,
                                         v1::RevokeAccessResponse* response) override;

 private:
  absl::Status Request(Call& call, const v1::RequestAccessRequest& request,
                       v1::RequestAccessResponse& response);

  Serving serving_;
  Serving urgent_;
  DataPlaneSource& data_;
  Registrar& registrar_;
};

}  // namespace televault::service
