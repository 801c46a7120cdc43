// GraphQL documents of files and uploads.

const ERROR = `... on Error { code message } ... on ValidationError { path }`;

export const CREATE_UPLOAD = `mutation CreateUpload($input: CreateUploadInput!) {
  createUpload(input: $input) {
    __typename
    ... on CreateUploadPayload {
      upload { id parts { number method url offsetBytes sizeBytes headers { name value } } }
    }
    ${ERROR}
  }
}`;

export const COMPLETE_UPLOAD = `mutation CompleteUpload($input: CompleteUploadInput!) {
  completeUpload(input: $input) {
    __typename ... on CompleteUploadPayload { file { id name contentType sizeBytes } } ${ERROR}
  }
}`;

export const CANCEL_UPLOAD = `mutation CancelUpload($input: CancelUploadInput!) {
  cancelUpload(input: $input) { __typename ... on Error { code message } }
}`;
