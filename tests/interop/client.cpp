// A small client of epcisd in C++17, to copy from: sends documents, follows them, sees to dead letters.
//
//     apt install g++ cmake pkg-config libgrpc++-dev libprotobuf-dev libssl-dev protobuf-compiler-grpc
//     cmake -S tests/interop -B out && cmake --build out
//     out/epcisd_client --server 127.0.0.1:50051 stream shipment.xml
//
// --tls-ca FILE makes it speak TLS, --token-file FILE names the token to send then, --patience SECONDS is how
// long it tries without progress (60). Each answer is a line of JSON. Exit code 0: done, 1: refused, given
// up.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>
#include <openssl/evp.h>

#include "epcis/v1/acknowledgment_service.grpc.pb.h"
#include "epcis/v1/audit_service.grpc.pb.h"
#include "epcis/v1/capture_service.grpc.pb.h"
#include "epcis/v1/dead_letter_service.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

using namespace epcis::v1;
using Words = std::vector<std::string>; // command and arguments; what is not given is empty
using Seconds = std::chrono::duration<double>;

constexpr std::size_t piece_bytes = 1 << 20; // the most that one message of CaptureStream may carry
constexpr std::chrono::seconds unary_time{60};

static std::ifstream open(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw std::runtime_error("cannot read " + path);
    return file;
}

static std::string contents(const std::string &path)
{
    std::ifstream file = open(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

// The token goes over TLS only: without it, on a loopback address, nobody asks for one.
static std::shared_ptr<grpc::Channel> connect(const std::string &server, const std::string &tls_ca,
                                              const std::string &token_file)
{
    if (tls_ca.empty())
        return grpc::CreateChannel(server, grpc::InsecureChannelCredentials());
    auto credentials = grpc::SslCredentials({contents(tls_ca), "", ""});
    if (std::string token; !token_file.empty() && open(token_file) >> token)
        credentials = grpc::CompositeChannelCredentials(credentials, grpc::AccessTokenCredentials(token));
    return grpc::CreateChannel(server, credentials);
}

static void tell(const google::protobuf::Message &message)
{
    google::protobuf::util::JsonPrintOptions options;
    options.preserve_proto_field_names = true;
    std::string json;
    if (!MessageToJsonString(message, &json, options).ok())
        throw std::runtime_error("the answer cannot be told as JSON");
    std::cout << json << std::endl;
}

// AuditService's page says how signatures are made.
static bool signature_ok(const std::string &public_key, const std::string &text, const std::string &signature)
{
    const auto bytes = [](const std::string &of) {
        return reinterpret_cast<const unsigned char *>(of.data());
    };
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes(public_key), public_key.size()),
        EVP_PKEY_free);
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    return key && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
           EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(text), text.size()) == 1;
}

// What an upload begins with: the document's length and SHA-256, and an id (a UUID) made of that.
static CaptureStart measure(const std::string &path)
{
    CaptureStart start;
    std::ifstream file = open(path);
    std::string piece(piece_bytes, '\0');
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr);
    while (file.read(piece.data(), piece_bytes), file.gcount() > 0) {
        EVP_DigestUpdate(hash.get(), piece.data(), std::size_t(file.gcount()));
        start.set_length(start.length() + std::uint64_t(file.gcount()));
    }
    unsigned char digest[32];
    EVP_DigestFinal_ex(hash.get(), digest, nullptr);
    start.set_sha256(digest, sizeof digest);
    for (int i = 0; i < 16; i++) {
        char text[4];
        std::snprintf(text, sizeof text, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", digest[i]);
        *start.mutable_upload_id() += text;
    }
    return start;
}

// Each call is made again where that may help. All may be made twice: the same document gets the same
// receipt, an upload and a watch go on where they were, a dead letter closes once.
class Client
{
    using Clock = std::chrono::steady_clock;
    using Captures = CaptureService::Stub;
    using Letters = DeadLetterService::Stub;
    Captures captures;
    Letters letters;
    AcknowledgmentService::Stub acknowledgments;
    AuditService::Stub audit;
    Seconds patience, pause{};
    std::chrono::time_point<Clock, Seconds> deadline;
    std::random_device random;
    std::uniform_real_distribution<> spread{1, 1.5};

    void progress()
    {
        pause = Seconds(0.2);
        deadline = Clock::now() + patience;
    }

    // Throws what does not pass. What the server says beside the status: see proto/errors.md.
    void wait_after(const grpc::Status &status)
    {
        google::rpc::Status trailer;
        google::rpc::ErrorInfo info;
        google::rpc::RetryInfo retry;
        trailer.ParseFromString(status.error_details());
        for (const auto &detail : trailer.details())
            if (!detail.UnpackTo(&info))
                detail.UnpackTo(&retry);
        const Seconds asked(double(retry.retry_delay().seconds()) + retry.retry_delay().nanos() / 1e9);
        std::string text = status.error_message(), reason = info.reason();
        if (!reason.empty())
            text = reason + ": " + text + "; " + (*info.mutable_metadata())["remedy"];
        // It may go if sent again: the server says when, or the connection was lost (then there is no
        // reason).
        const bool lost = std::set{grpc::INTERNAL, grpc::UNKNOWN, grpc::CANCELLED}.count(status.error_code());
        const bool passes =
            asked.count() > 0 || status.error_code() == grpc::UNAVAILABLE || (lost && reason.empty());
        // At least as long as the server says; some longer than others, so that not all come back at once.
        const Seconds time = std::max(pause, asked) * spread(random);
        if (!passes || Clock::now() + time > deadline)
            throw std::runtime_error(text);
        std::cerr << "again in " << time.count() << " s: " << text << std::endl;
        std::this_thread::sleep_for(time);
        pause = std::min(pause * 2, Seconds(10));
    }

    template <class Stub, class Request, class Response>
    Response call(Stub &stub,
                  grpc::Status (Stub::*method)(grpc::ClientContext *, const Request &, Response *),
                  const Request &request)
    {
        for (;;) {
            Response response;
            grpc::ClientContext context;
            context.set_deadline(std::chrono::system_clock::now() + unary_time);
            const grpc::Status status = (stub.*method)(&context, request, &response);
            if (status.ok())
                return response;
            wait_after(status);
        }
    }

    grpc::Status send(const std::string &path, const CaptureStart &start, CaptureStreamResponse *response)
    {
        std::ifstream file = open(path);
        std::string piece(piece_bytes, '\0');
        CaptureStreamRequest step;
        grpc::ClientContext context;
        const auto writer = captures.CaptureStream(&context, response);
        *step.mutable_start() = start;
        bool whole = writer->Write(step);
        file.seekg(std::streamoff(start.offset()));
        while (whole && (file.read(piece.data(), piece_bytes), file.gcount() > 0)) {
            step.set_piece(piece.data(), std::size_t(file.gcount()));
            whole = writer->Write(step);
        }
        step.mutable_finish()->set_length(start.length());
        step.mutable_finish()->set_sha256(start.sha256());
        if (whole)
            writer->WriteLast(step, {});
        return writer->Finish(); // where a write failed, it says why
    }

  public:
    Client(const std::shared_ptr<grpc::Channel> &channel, Seconds patience)
        : captures(channel), letters(channel), acknowledgments(channel), audit(channel), patience(patience)
    {
        progress();
    }

    // FILE: a document of up to 64 MiB. The receipt means that it is on disk there.
    void capture(const Words &given)
    {
        CaptureRequest request;
        request.set_document(contents(given[1]));
        tell(call(captures, &Captures::Capture, request).receipt());
    }

    // FILE: a document of any length. The upload's id is made of its content: who was cut off, or killed,
    // goes on where the server is, without having kept anything.
    void stream(const Words &given)
    {
        CaptureStart start = measure(given[1]);
        GetUploadOffsetRequest request;
        request.set_upload_id(start.upload_id());
        for (;;) {
            GetUploadOffsetResponse known;
            CaptureStreamResponse response;
            grpc::ClientContext context;
            context.set_deadline(std::chrono::system_clock::now() + unary_time);
            grpc::Status status = captures.GetUploadOffset(&context, request, &known);
            if (known.offset() > start.offset())
                progress();
            start.set_offset(known.offset());
            if (status.ok() || status.error_code() == grpc::NOT_FOUND)
                status = send(given[1], start, &response);
            if (status.ok())
                return tell(response.receipt());
            wait_after(status);
        }
    }

    // CAPTURE_ID [CURSOR]: what becomes of a document, until nothing more does. Who keeps the last cursor can
    // go on from there.
    void watch(const Words &given)
    {
        WatchAcknowledgmentsRequest request;
        request.set_capture_id(given[1]);
        request.set_cursor(given[2].empty() ? "begin" : given[2]);
        for (;;) {
            grpc::ClientContext context;
            WatchAcknowledgmentsResponse response;
            const auto reader = acknowledgments.WatchAcknowledgments(&context, request);
            while (reader->Read(&response)) {
                tell(response);
                request.set_cursor(response.cursor());
                progress();
                for (const Acknowledgment &told : response.acknowledgments())
                    if (told.kind() == ACKNOWLEDGMENT_KIND_CAPTURE) {
                        context.TryCancel();
                        reader->Finish();
                        return;
                    }
            }
            wait_after(reader->Finish());
        }
    }

    // CAPTURE_ID: whether the receipt is genuine: capture_service.proto says what is signed. A partner keeps
    // receipts and public keys itself instead of asking for them, as here, when it needs them.
    void verify(const Words &given)
    {
        GetCaptureRequest request;
        request.set_capture_id(given[1]);
        const Receipt receipt = call(captures, &Captures::GetCapture, request).capture().receipt();
        const auto known = call(audit, &AuditService::Stub::ListKeys, ListKeysRequest());
        std::string public_key, text;
        for (const SigningKey &key : known.keys())
            if (key.key_id() == receipt.key_id())
                public_key = key.public_key();
        for (const std::string &line :
             {std::string("epcisd receipt 1"), receipt.capture_id(), receipt.document_digest(),
              std::to_string(receipt.document_bytes()), std::to_string(receipt.received_ms()),
              std::to_string(receipt.journal_position()), receipt.partner()})
            text += line + "\n";
        const bool genuine = signature_ok(public_key, text, receipt.signature());
        google::protobuf::Struct answer;
        (*answer.mutable_fields())["genuine"].set_bool_value(genuine);
        (*answer.mutable_fields())["key_id"].set_string_value(receipt.key_id());
        tell(answer);
        if (!genuine)
            throw std::runtime_error("the receipt is not genuine");
    }

    // CAPTURE_ID: all of a document; only an empty page_token is the end.
    void dead_letters(const Words &given)
    {
        ListDeadLettersRequest request;
        request.set_capture_id(given[1]);
        do {
            const auto page = call(letters, &Letters::ListDeadLetters, request);
            for (const DeadLetter &letter : page.dead_letters())
                tell(letter);
            request.set_page_token(page.next_page_token());
        } while (!request.page_token().empty());
    }

    // ID: one, with its event.
    void show(const Words &given)
    {
        GetDeadLetterRequest request;
        request.set_dead_letter_id(given[1]);
        tell(call(letters, &Letters::GetDeadLetter, request).dead_letter());
    }

    // ID WHO WHY [FILE]: sends the event in again, as it is or as the file has it.
    void resubmit(const Words &given)
    {
        ResubmitDeadLetterRequest request;
        request.set_dead_letter_id(given[1]);
        request.set_who(given[2]);
        request.set_why(given[3]);
        request.set_corrected(given[4].empty() ? "" : contents(given[4]));
        tell(call(letters, &Letters::ResubmitDeadLetter, request));
    }

    // ID WHO WHY: closes it without its event.
    void discard(const Words &given)
    {
        DiscardDeadLetterRequest request;
        request.set_dead_letter_id(given[1]);
        request.set_who(given[2]);
        request.set_why(given[3]);
        tell(call(letters, &Letters::DiscardDeadLetter, request));
    }
};

int main(int argc, char **argv)
{
    std::map<std::string, std::string> options{{"--server", "127.0.0.1:50051"}, {"--patience", "60"}};
    Words given;
    for (int i = 1; i < argc; i++)
        if (std::string(argv[i]).rfind("--", 0) == 0 && i + 1 < argc)
            options[argv[i]] = argv[i + 1], i++;
        else
            given.push_back(argv[i]);
    given.resize(5);
    const std::map<std::string, void (Client::*)(const Words &)> commands{
        {"capture", &Client::capture}, {"stream", &Client::stream},
        {"watch", &Client::watch},     {"verify", &Client::verify},
        {"show", &Client::show},       {"dead-letters", &Client::dead_letters},
        {"discard", &Client::discard}, {"resubmit", &Client::resubmit}};
    const auto command = commands.find(given[0]);
    if (command == commands.end()) {
        std::cerr << "commands: capture, stream, watch, verify, dead-letters, show, resubmit, discard"
                  << std::endl;
        return 2;
    }
    try {
        const auto channel = connect(options["--server"], options["--tls-ca"], options["--token-file"]);
        Client client(channel, Seconds(std::stod(options["--patience"])));
        (client.*command->second)(given);
    } catch (const std::exception &error) {
        std::cerr << error.what() << std::endl;
        return 1;
    }
}
