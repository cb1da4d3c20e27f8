import FogAPI
import FogCore
import Testing

@Suite("JSON on the wire")
struct WireTests {
    @Test("members stand in the order of their names, also those of a dictionary")
    func order() throws {
        let names = (0..<40).map { "label-\($0)" }.sorted()
        let body = Dictionary(uniqueKeysWithValues: names.map { ($0, "/a/b") })
        let text = String(decoding: try Wire.encode(body), as: UTF8.self)
        #expect(text == "{" + names.map { "\"\($0)\":\"/a/b\"" }.joined(separator: ",") + "}")
    }
}
