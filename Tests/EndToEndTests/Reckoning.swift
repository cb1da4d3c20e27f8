import Foundation

/// What the worked jobs compute, computed again.
enum Reckoning {
    /// How often each word occurs: runs of A-Z and a-z, in lower case.
    static func words(in text: [UInt8]) -> [String: Int] {
        var counts: [String: Int] = [:]
        var word: [UInt8] = []
        for byte in text + [0] {
            // The letters differ from their small ones by this bit alone.
            let small = byte | 0x20
            if (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(small), byte < 0x80 {
                word.append(small)
            } else if !word.isEmpty {
                counts[String(decoding: word, as: UTF8.self), default: 0] += 1
                word.removeAll(keepingCapacity: true)
            }
        }
        return counts
    }

    /// A table of words as the jobs write it: a line a word, `NUMBER WORD`.
    static func table(_ text: String) -> [(count: Int, word: String)] {
        text.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ")
            guard parts.count == 2, let count = Int(parts[0]) else { return nil }
            return (count, String(parts[1]))
        }
    }

    /// A table by word; a word that stands twice has the sum.
    static func counts(_ table: [(count: Int, word: String)]) -> [String: Int] {
        Dictionary(table.map { ($0.word, $0.count) }, uniquingKeysWith: +)
    }

    /// The automated readability index, with its counts.
    static func readability(of text: String) -> (words: Int, sentences: Int, index: Double) {
        var characters = 0
        var words = 0
        var sentences = 0
        var (wasInWord, wasInStop) = (false, false)
        for scalar in Array(text.unicodeScalars) + [" "] {
            let isInWord = scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))
            if isInWord {
                characters += 1
                if !wasInWord { words += 1 }
            }
            if wasInStop, scalar.properties.isWhitespace { sentences += 1 }
            (wasInWord, wasInStop) = (isInWord, ".!?".unicodeScalars.contains(scalar))
        }
        let index = 4.71 * Double(characters) / Double(words) + 0.5 * Double(words) / Double(sentences) - 21.43
        return (words, sentences, index)
    }

    static func primes(below end: Int) -> Int {
        (2..<end).count { number in
            var factor = 2
            while factor * factor <= number {
                if number % factor == 0 { return false }
                factor += 1
            }
            return true
        }
    }

    /// The first start whose chain is the longest, by the steps of smaller numbers.
    static func longestCollatz(below end: Int) -> (start: Int, steps: Int) {
        var known = [Int32](repeating: 0, count: end)
        var longest = (start: 1, steps: 0)
        for start in 2..<end {
            var (number, steps) = (start, 0)
            while number >= start {
                number = number % 2 == 0 ? number / 2 : 3 * number + 1
                steps += 1
            }
            let all = steps + Int(known[number])
            known[start] = Int32(all)
            if all > longest.steps { longest = (start, all) }
        }
        return longest
    }

    /// The texts of Debian's licenses by name; links are followed.
    static func licenses() throws -> [String: [UInt8]] {
        var texts: [String: [UInt8]] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: Places.licenses) {
            texts[name] = try Array(Data(contentsOf: URL(filePath: "\(Places.licenses)/\(name)")))
        }
        return texts
    }
}
