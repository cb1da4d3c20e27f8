import FogJobs
import Testing

@Suite("Trace context")
struct TraceParentTests {
    private static let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    @Test("the recommendation's own example is read, and what a later version adds is left out")
    func good() throws {
        #expect(TraceParent(Self.good)?.description == Self.good)
        #expect(TraceParent(Self.good)?.traceID == "0af7651916cd43dd8448eb211c80319c")
        let later = "cc" + Self.good.dropFirst(2)
        #expect(TraceParent(later)?.description == Self.good)
        #expect(TraceParent(later + "-what-the-future-brings")?.description == Self.good)
    }

    @Test(
        "what it says to ignore is ignored",
        arguments: [
            "", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.future",
            "00-0af7651916cd43dd8448eb211c8031xy-b7ad6b7169203331-01",
        ])
    func bad(_ text: String) { #expect(TraceParent(text) == nil) }
}

@Suite("Labels of machines")
struct NodeLabelTests {
    @Test("labels are set, changed and taken away")
    func changed() throws {
        let first = try NodeLabels.changed([:], by: ["room": "12", "quiet": ""])
        #expect(NodeLabels.words(first) == ["quiet", "room", "room=12"])
        let second = try NodeLabels.changed(first, by: ["quiet": nil, "room": "13", "none": nil])
        #expect(second == ["room": "13"])
    }

    @Test(
        "a label that is none is refused, and a 65th",
        arguments: ["", "a b", "a=b", "ä", String(repeating: "x", count: 64)])
    func refused(_ name: String) throws {
        #expect(throws: JobsFailure.self) { try NodeLabels.changed([:], by: [name: ""]) }
        #expect(throws: JobsFailure.self) { try NodeLabels.changed([:], by: ["room": "a b"]) }
        let many = Dictionary(uniqueKeysWithValues: (0..<64).map { ("l\($0)", "") })
        #expect(throws: JobsFailure.self) { try NodeLabels.changed(many, by: ["one-more": ""]) }
        #expect(try NodeLabels.changed(many, by: ["l1": "x"]).count == 64)
    }
}
