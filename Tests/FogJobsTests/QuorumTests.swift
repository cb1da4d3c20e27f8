import FogCore
import FogJobs
import Testing

@Suite("What several owners' results come to")
struct QuorumTests {
    private static func digests(_ letters: String) -> [Digest] { letters.utf8.map { .blake2b([$0]) } }

    @Test(
        "Equal results decide, disagreement asks for another, five that never agree are for a person",
        arguments: [
            ("a", 2, Quorum.Verdict.wait), ("aa", 2, .accept(winner: 0, equal: [0, 1], others: [])),
            ("ab", 2, .wait), ("aba", 2, .accept(winner: 0, equal: [0, 2], others: [1])),
            ("abb", 2, .accept(winner: 1, equal: [1, 2], others: [0])), ("abc", 2, .wait), ("abcd", 2, .wait),
            ("abcde", 2, .disagree(different: 5)), ("aab", 3, .wait), ("aabb", 3, .wait),
            ("aabc", 3, .wait), ("abc", 3, .wait), ("abcd", 3, .disagree(different: 4)),
            ("aabbc", 3, .disagree(different: 3)), ("aaaa", 5, .wait), ("ab", 5, .disagree(different: 2)),
            ("aaaaa", 5, .accept(winner: 0, equal: [0, 1, 2, 3, 4], others: [])),
        ])
    func decide(results: String, wanted: Int, verdict: Quorum.Verdict) {
        #expect(Quorum.decide(Self.digests(results), wanted: wanted) == verdict)
    }

    @Test("A result that counts by itself parts those before it")
    func honest() {
        let verdict = Quorum.decide(Self.digests("abca"), by: .blake2b(Array("a".utf8)))
        #expect(verdict == (equal: [0, 3], others: [1, 2]))
    }
}
