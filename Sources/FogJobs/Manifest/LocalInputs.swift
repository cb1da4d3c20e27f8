package import FogCore

/// Every concrete source that a job reads, over all its elements.
package struct LocalInputs: Hashable, Sendable {
    /// Paths beside the manifest, each once, sorted: what the client uploads.
    package let paths: [String]
    /// Blobs that the manifest names itself, each once, sorted: what the submitter must have a right to.
    package let blobs: [Digest]

    /// - Throws: `too_many_inputs` beyond ``ManifestLimits/maxLocalInputs``; `bad_path`.
    package init(of spec: JobSpec) throws(JobsFailure) {
        var paths: Set<String> = []
        var blobs: Set<Digest> = []
        for step in spec.steps {
            if case .source(let image) = step.image {
                switch try InputSource(image) {
                case .local(let path): paths.insert(path)
                case .blob(let digest): blobs.insert(digest)
                case .volume: throw JobsFailure("bad_value", "an image cannot be a volume: `\(image)`")
                }
            }
            for input in step.inputs {
                for text in try Substitution.distinct(input.source, over: step.elements) {
                    switch try InputSource(text) {
                    case .local(let path): paths.insert(path)
                    case .blob(let digest): blobs.insert(digest)
                    case .volume: continue
                    }
                }
                guard paths.count <= ManifestLimits.maxLocalInputs else {
                    throw JobsFailure(
                        "too_many_inputs", "the job reads more than \(ManifestLimits.maxLocalInputs) different paths")
                }
            }
        }
        self.paths = paths.sorted()
        self.blobs = blobs.sorted()
    }
}
