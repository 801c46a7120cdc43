import com.apollographql.apollo.annotations.ApolloExperimental
import com.apollographql.apollo.compiler.ApolloCompiler
import com.apollographql.apollo.compiler.CodegenSchemaOptions
import com.apollographql.apollo.compiler.TargetLanguage
import com.apollographql.apollo.compiler.buildCodegenOptions
import com.apollographql.apollo.compiler.buildIrOptions
import com.apollographql.apollo.compiler.codegen.writeTo
import com.apollographql.apollo.compiler.toInputFiles
import java.io.File

private const val API = "com.apollographql.apollo.api"
private val SCALARS = mapOf("DateTime" to "kotlin.String", "JSON" to "kotlin.Any", "Upload" to "$API.Upload")
private val ADAPTERS =
  mapOf("DateTime" to "$API.StringAdapter", "JSON" to "$API.AnyAdapter", "Upload" to "$API.UploadAdapter")

/** Runs the generator without Gradle; its warnings are errors. */
@OptIn(ApolloExperimental::class)
fun main() {
  ApolloCompiler.buildSchemaAndOperationsSources(
    schemaFiles = setOf(File("schema.graphql"), File("one_of.graphqls")).toInputFiles(),
    executableFiles = setOf(File("operations.graphql")).toInputFiles(),
    codegenSchemaOptions = CodegenSchemaOptions(SCALARS, ADAPTERS, generateDataBuilders = null),
    irOptions = buildIrOptions(failOnWarnings = true, warnOnDeprecatedUsages = true),
    codegenOptions = buildCodegenOptions(targetLanguage = TargetLanguage.KOTLIN_1_9, packageName = "matrix"),
    layoutFactory = null,
    operationOutputGenerator = null,
    irOperationsTransform = null,
    javaOutputTransform = null,
    kotlinOutputTransform = null,
    documentTransform = null,
    logger = null,
    operationManifestFile = null,
  ).writeTo(File("generated"), true, null)
}
