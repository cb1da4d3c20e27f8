import FogAPI
import FogCore
import FogNet

@testable import FogHTTP

/// Targets of requests: what stands before the `?` against a route's pattern, what stands behind it against parameters
/// of every shape.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzQuery(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let text = String(decoding: input(data, size), as: UTF8.self)
    let request = CarrierRequest(method: "GET", target: text)
    checkPath(request.path)
    checkQuery(request.query)
    return 0
}

private let pattern = RoutePattern("GET /v1/jobs/{job}/logs/{name}")

/// A path that fits has its parameters, none of them empty; written again with every byte escaped it has the same.
private func checkPath(_ path: String) {
    guard let found = pattern.match(RoutePattern.segments(of: path)) else { return }
    hold(Set(found.keys) == ["job", "name"], "other parameters: \(path)")
    hold(found.values.allSatisfy { !$0.isEmpty }, "an empty parameter: \(path)")
    let again = "/v1/jobs/\(escaped(found["job"] ?? ""))/logs/\(escaped(found["name"] ?? ""))"
    hold(pattern.match(RoutePattern.segments(of: again)) == found, "another path: \(path), written again \(again)")
}

private let known = [
    QueryParameter("limit", .integer(0...1 << 53), ""), QueryParameter("after", .integer(0...Int64.max), ""),
    QueryParameter("wait", .duration, ""), QueryParameter("before", .text(pattern: nil, wanted: "an id"), ""),
    QueryParameter("stream", .choice(["stdout", "stderr"]), ""),
    QueryParameter("state", .choices(["ready", "running"]), ""),
    QueryParameter("total", .integer(0...1 << 53), "", isRequired: true),
]

/// What is taken is what was written: nothing that is not known, nothing twice, no value beyond its shape, every byte
/// decoded as RFC 3986 has it.
private func checkQuery(_ query: String) {
    guard let read = try? RouteParameters(path: [:], query: query, known: known) else { return }
    var written: [String: String] = [:]
    for item in query.utf8.split(separator: UInt8(ascii: "&")) {
        let end = item.firstIndex(of: UInt8(ascii: "=")) ?? item.endIndex
        guard let name = decoded(item[..<end]), let value = decoded(item[end...].dropFirst()) else {
            fatalError("property broken: a broken escape was taken: \(query)")
        }
        hold(written.updateValue(value, forKey: name) == nil, "a parameter twice: \(query)")
    }
    hold(written["total"] != nil, "a parameter is missing: \(query)")
    for (name, value) in written {
        guard let parameter = known.first(where: { $0.name == name }) else {
            fatalError("property broken: an unknown parameter was taken: \(query)")
        }
        hold(parameter.takes(value) && read.text(name) == value, "another value of \(name): \(query)")
    }
    do throws(Problem) {
        hold(try read.byteCount("total").map(String.init) == written["total"], "another number: \(query)")
        hold(try read.integer("limit").map(String.init) == written["limit"], "another number: \(query)")
        hold(try read.sequence("after").map(String.init) == written["after"], "another number: \(query)")
    } catch {
        fatalError("property broken: a number was taken and then refused: \(query)")
    }
    let span = written["wait"].map { $0 == "0" ? TimeSpan.zero : (try? TimeSpan($0)) }
    hold(span != .some(.none), "a duration was taken that does not read: \(query)")
    let again = written.map { "\(escaped($0.key))=\(escaped($0.value))" }.joined(separator: "&")
    let reread = try? RouteParameters(path: [:], query: again, known: known)
    hold(known.allSatisfy { reread?.text($0.name) == read.text($0.name) }, "another query: \(query)")
}

/// Every byte as `%41`.
private func escaped(_ text: String) -> String { text.utf8.map { "%" + Hex.encode([$0]) }.joined() }

/// Percent-decoding once more, in the plainest way.
private func decoded(_ bytes: Substring.UTF8View.SubSequence) -> String? {
    let digits = Array("0123456789abcdef".utf8)
    let all = Array(bytes)
    var out: [UInt8] = []
    var place = 0
    while place < all.count {
        guard all[place] == UInt8(ascii: "%") else {
            out.append(all[place])
            place += 1
            continue
        }
        guard place + 2 < all.count, let high = digits.firstIndex(of: all[place + 1] | 0x20),
            let low = digits.firstIndex(of: all[place + 2] | 0x20), all[place + 1] >= 0x30, all[place + 2] >= 0x30
        else { return nil }
        out.append(UInt8(high << 4 | low))
        place += 3
    }
    return String(validating: out, as: UTF8.self)
}

/// Seeds: targets of every shape.
@_cdecl("LLVMFuzzerInitialize")
public func seedQuery(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    for (name, target) in [
        ("path", "/v1/jobs/7fa3/logs/a%2Fb%C3%A9"), ("all", "/?limit=20&after=9223372036854775807&wait=20s&total=0"),
        ("escaped", "?tot%61l=%31&state=ready%2Crunning&stream=stdout"), ("text", "?total=9&before=%C3%A9+x&wait=0"),
        ("twice", "?total=1&total=1"), ("sign", "?total=%+1&limit=+1"),
    ] { writeSeed(name, Array(target.utf8)) }
    return 0
}
