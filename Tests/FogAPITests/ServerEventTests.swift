import FogAPI
import FogCore
import Testing

@Suite("Server-sent events")
struct ServerEventTests {
    private static let events = [
        ServerEvent(id: "41", kind: "task_granted", data: #"{"node":"a"}"#),
        ServerEvent(id: "42", data: "two\nlines"),
        ServerEvent(id: "42", kind: "empty", data: ""),
        ServerEvent(id: "43", data: "ünïcode ☁"),
    ]

    @Test("events are read back however the stream is cut", arguments: [1, 2, 3, 7, 64, 4096])
    func cuts(_ size: Int) throws {
        let bytes = Array((": hello\nretry: 2000\n\n" + Self.events.map(\.text).joined(separator: ": alive\n\n")).utf8)
        var parser = ServerEventParser()
        var read: [ServerEvent] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            try parser.feed(bytes[start..<min(start + size, bytes.count)])
            while let event = parser.next() { read.append(event) }
        }
        #expect(read == Self.events)
    }

    @Test("lines end in LF, CR or CRLF; the id stays until it is changed")
    func lineEnds() throws {
        var parser = ServerEventParser()
        try parser.feed(Array("id: 1\r\ndata: a\r\n\r\ndata: b\r\rdata:c\n\nid\ndata\n\n".utf8))
        var read: [ServerEvent] = []
        while let event = parser.next() { read.append(event) }
        #expect(
            read == [
                .init(id: "1", data: "a"), .init(id: "1", data: "b"), .init(id: "1", data: "c"),
                .init(id: "", data: ""),
            ])
    }

    @Test("an unfinished event is none, and one without end is refused")
    func bounds() throws {
        var parser = ServerEventParser()
        try parser.feed(Array("data: half\n".utf8))
        #expect(parser.next() == nil)
        let endless = [UInt8](repeating: 0x61, count: ServerEventParser.eventLimit)
        #expect(throws: (any Error).self) { try parser.feed(endless) }
    }

    @Test("an id or kind with a line break cannot begin a field of its own")
    func injection() {
        let event = ServerEvent(id: "1\ndata: x", kind: "a\r\nid: 9", data: "y")
        #expect(event.text == "id: 1data: x\nevent: aid: 9\ndata: y\n\n")
    }
}
