import FogJobs
import FogWorker

/// What a task sends to its proxy: read as one piece, and byte by byte.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzProxy(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    let bytes = input(data, size)
    let whole = read(bytes, piece: max(1, bytes.count))
    hold(whole == read(bytes, piece: 1), "read otherwise in pieces")
    guard case .read(let request, let rest) = whole else { return 0 }
    hold(bytes.suffix(rest.count) == rest[...], "what came behind the head was changed")
    guard let allowed = try? AllowedHost("\(request.host):\(request.port)") else {
        fatalError("a target that no list can name: \(request.host):\(request.port)")
    }
    hold([allowed].allow(request.host, port: request.port), "a list does not allow what it names: \(allowed)")
    if case .name(let name) = request.host {
        hold(NetworkAddress(name) == nil && name == name.lowercased(), "a name of two readings: \(name)")
    }
    guard let head = request.head else { return 0 }
    check(head, of: request)
    return 0
}

private enum Reading: Equatable {
    case unfinished
    case refused(Int, String)
    case read(ProxyRequest, [UInt8])
}

private func read(_ bytes: [UInt8], piece: Int) -> Reading {
    var head = ProxyHead()
    var start = 0
    while start < bytes.count {
        let end = min(bytes.count, start + piece)
        do throws(ProxyRefusal) {
            if let (request, rest) = try head.append(bytes[start..<end]) { return .read(request, rest + bytes[end...]) }
        } catch {
            return .refused(error.status, error.code)
        }
        start = end
    }
    return .unfinished
}

/// What goes to the server is one request and nothing else.
private func check(_ head: [UInt8], of request: ProxyRequest) {
    let text = String(decoding: head, as: UTF8.self)
    hold(head.suffix(4) == [13, 10, 13, 10], "a head without an end: \(text)")
    var lines: [[UInt8]] = [[]]
    for (index, byte) in head.enumerated() {
        hold(byte != 10 || (index > 0 && head[index - 1] == 13), "a bare LF: \(text)")
        hold(byte != 13 || head[index + 1] == 10, "a bare CR: \(text)")
        hold(byte >= 0x20 || [9, 10, 13].contains(byte), "a control character: \(text)")
        if byte == 10 { lines.append([]) } else if byte != 13 { lines[lines.count - 1].append(byte) }
    }
    let names = lines.dropFirst().map { String(decoding: $0.prefix { $0 != 0x3a }, as: UTF8.self).lowercased() }
    hold(names.firstIndex(of: "") == names.count - 2, "two heads in one: \(text)")
    hold(names.count { $0 == "host" } == 1, "not one Host: \(text)")
    hold(names.count { $0 == "content-length" || $0 == "transfer-encoding" } <= 1, "two lengths: \(text)")
    hold(!names.contains("proxy-authorization"), "a word to the proxy went on: \(text)")
    let target = lines[0].split(separator: 0x20)
    hold(target.count == 3 && target[1].first == 0x2f, "no path: \(text)")
}

/// Seeds: requests of either kind, well made, and some that are not.
@_cdecl("LLVMFuzzerInitialize")
public func seedProxy(_ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    for (index, request) in [
        "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nUser-Agent: x\r\n\r\n\u{16}\u{3}\u{1}",
        "CONNECT [2001:db8::1]:443 HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n",
        "GET http://example.org/a?b HTTP/1.1\r\nHost: other\r\nConnection: x\r\nX: y\r\nAccept: */*\r\n\r\n",
        "POST http://192.0.2.7:8080?q HTTP/1.1\r\nContent-Length: 3\r\nTE: trailers\r\n\r\nabc",
        "GET http://a@b/ HTTP/1.1\r\nHost: a\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n",
    ].enumerated() {
        writeSeed("request-\(index)", Array(request.utf8))
    }
    return 0
}
